variable "name" {
  type    = string
  default = "weir-fleet"
}

variable "tag" {
  description = "Instances with this tag get a sensor. They need the SSM agent and a reachable package."
  type        = object({ key = string, value = string })
}

variable "package_url" {
  description = "https URL of the deb or rpm, such as a presigned or public object's."
  type        = string
  validation {
    condition     = startswith(var.package_url, "https://") && can(regex("\\.(deb|rpm)$", var.package_url))
    error_message = "package_url is an https URL that ends in .deb or .rpm."
  }
}

variable "package_sha256" {
  description = "From SHA256SUMS of the release: nothing else is installed."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "package_sha256 is 64 hexadecimal digits."
  }
}

variable "policy" {
  type    = string
  default = "observe"
  validation {
    condition     = contains(["observe", "enforce"], var.policy)
    error_message = "policy is observe or enforce."
  }
}

variable "collector_url" {
  description = "tls://host:4222; empty runs the sensors alone."
  type        = string
  default     = ""
}

variable "token_secret_arn" {
  description = "Secret with an enrolment token good for the whole fleet (collector token create --uses N). The instances' own role must be allowed to read it."
  type        = string
  default     = ""
}

variable "at_once" {
  description = "How many instances change at the same time, as a number or a share."
  type        = string
  default     = "10%"
}
