variable "name" {
  type    = string
  default = "weir-collector"
}

variable "vpc_id" {
  type = string
}

variable "nodes" {
  description = "The three hosts of the bus by name (n1, n2, n3): subnet, its zone, the fixed private address that `collector cluster prepare --nodes` was given, and the secret with the files of that node's folder."
  type        = map(object({ subnet_id = string, availability_zone = string, address = string, secret_arn = string }))
  validation {
    condition     = length(var.nodes) == 3 && length(distinct([for n in var.nodes : n.address])) == 3
    error_message = "A majority needs three nodes, each with its own address."
  }
  validation {
    condition     = length(distinct([for n in var.nodes : n.availability_zone])) >= 2
    error_message = "Spread the nodes over zones: in one zone they die together."
  }
}

variable "collectors" {
  description = "Nodes that run a collector too. One leads, another takes over."
  type        = set(string)
  default     = ["n1", "n2"]
  validation {
    condition     = length(var.collectors) >= 1
    error_message = "Name the nodes that run a collector."
  }
  validation {
    condition     = alltrue([for c in var.collectors : contains(keys(var.nodes), c)])
    error_message = "collectors names a node that nodes does not have."
  }
}

variable "collector_secret_arn" {
  description = "Secret with the files collector.nk, issuer.nk and ca.crt of the folder `collector`, as a JSON object of texts."
  type        = string
}

variable "tls_secret_arn" {
  description = "Secret with a JSON object of PEM texts for console and API: certificate, key, client-ca."
  type        = string
}

variable "identity" {
  description = "Backup (bucket, key) that a collector with an empty volume starts from, so that all are one: collector backup --without-alerts, in a bucket that only they read."
  type        = object({ bucket = string, key = string })
}

variable "postgres" {
  description = "PostgreSQL that keeps accounts, incidents and the audit log of all collectors: address as libpq takes it, secret with the password, security group. null: each has its own."
  type        = object({ address = string, secret_arn = string, security_group_id = string })
  default     = null
}

variable "ami_id" {
  description = "Image with the weir-collector package and nats-server 2.10 or later in /usr/bin."
  type        = string
}

variable "instance_type" {
  type    = string
  default = "m7g.large"
}

variable "data_gib" {
  description = "Size of each node's volume: streams, and a collector's alerts and keys."
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
