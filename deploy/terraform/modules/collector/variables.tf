variable "name" {
  type    = string
  default = "weir-collector"
}

variable "vpc_id" {
  type = string
}

variable "subnet_id" {
  description = "A private subnet; the data volume lives in its zone."
  type        = string
}

variable "availability_zone" {
  description = "Zone of the subnet."
  type        = string
}

variable "ami_id" {
  description = "Image with the weir-collector package."
  type        = string
}

variable "instance_type" {
  type    = string
  default = "m7g.large"
}

variable "data_gib" {
  description = "Size of the volume that keeps alerts, verdicts and keys."
  type        = number
  default     = 100
}

variable "sensor_cidrs" {
  description = "Where sensors connect from."
  type        = list(string)
}

variable "console_cidrs" {
  description = "Where people open the console from."
  type        = list(string)
  default     = []
}

variable "tls_secret_arn" {
  description = "Secret with a JSON object of PEM texts for console and API: certificate, key, client-ca."
  type        = string
}
