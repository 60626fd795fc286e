variable "name" {
  type    = string
  default = "weir-mirror"
}

variable "sensor_interface_ids" {
  description = "Network interfaces of sensors in mirror mode. Sources are spread over them."
  type        = list(string)
  validation {
    condition     = length(var.sensor_interface_ids) > 0
    error_message = "Name the interface of at least one sensor."
  }
}

variable "sources_per_sensor" {
  description = "How many sources AWS takes to one interface: 10, or 100 where the sensor is one of the largest instances (AWS lists them)."
  type        = number
  default     = 10
  validation {
    condition     = contains([10, 100], var.sources_per_sensor)
    error_message = "AWS takes 10 or 100 sources to one interface, by the instance's size."
  }
}

variable "sources" {
  description = "Mirrored network interfaces by name. Sources must be Nitro of a generation that AWS mirrors; see the AWS documentation."
  type        = map(string)
  default     = {}
}

variable "source_tag" {
  description = "Interfaces in use with this tag are mirrored too, as they are when Terraform runs. null: only sources."
  type        = object({ key = string, value = string })
  default     = null
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
