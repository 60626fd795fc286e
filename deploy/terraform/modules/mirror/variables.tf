variable "name" {
  type    = string
  default = "weir-mirror"
}

variable "sensor_interface_id" {
  description = "Network interface of a sensor in mirror mode. AWS takes 10 sources to one interface (100 on the largest instances)."
  type        = string
}

variable "sources" {
  description = "Mirrored network interfaces by name. Sources must be Nitro of a generation that AWS mirrors; see the AWS documentation."
  type        = map(string)
  validation {
    condition     = length(var.sources) <= 10
    error_message = "AWS takes 10 sources to one interface; use another sensor for the rest."
  }
}

variable "sensor_mtu" {
  description = "MTU of the sensor's interface."
  type        = number
  default     = 9001
}

variable "virtual_network_id" {
  description = "VNI of the first session: the sensor's tenant. Further sessions count up."
  type        = number
  default     = 1000
}
