variable "name" {
  description = "Prefix of every name."
  type        = string
  default     = "weir"
}

variable "vpc_id" {
  description = "The inspection VPC."
  type        = string
}

variable "gwlb_subnet_ids" {
  description = "Subnets of the load balancer's nodes, one a zone. Keep sensors out of them: on Nitro v3 and earlier traffic within a subnet loses acceleration."
  type        = list(string)
  validation {
    condition     = length(var.gwlb_subnet_ids) > 0
    error_message = "Name at least one subnet for the load balancer."
  }
}

variable "sensor_subnet_ids" {
  description = "Subnets of the sensors, one a zone."
  type        = list(string)
  validation {
    condition     = length(var.sensor_subnet_ids) > 0
    error_message = "Name at least one subnet for sensors."
  }
}

variable "gwlb_cidrs" {
  description = "CIDRs of gwlb_subnet_ids: GENEVE and probes come from there and nowhere else."
  type        = list(string)
}

variable "endpoints" {
  description = "Endpoints by name, one for each zone and place where traffic turns off: the VPC and the subnet."
  type        = map(object({ vpc_id = string, subnet_id = string }))
  default     = {}
}

variable "routes" {
  description = "Routes that lead traffic to an endpoint: the route table, the destination (IPv4 or IPv6), and the endpoint's name."
  type        = map(object({ route_table_id = string, destination = string, endpoint = string }))
  default     = {}
}

variable "allowed_principals" {
  description = "ARNs of other accounts that may make endpoints."
  type        = list(string)
  default     = []
}

variable "ami_id" {
  description = "Image with the weir-sensor package, such as one of deploy/ami: kernel 5.18 or later."
  type        = string
}

variable "instance_type" {
  type    = string
  default = "c7gn.xlarge"
}

variable "capacity" {
  description = "Instances: least, most."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 6 }
}

variable "policy" {
  description = "observe counts what would be dropped, enforce drops."
  type        = string
  default     = "observe"
  validation {
    condition     = contains(["observe", "enforce"], var.policy)
    error_message = "policy is observe or enforce."
  }
}

variable "on_failure" {
  description = "What the kernel does when nobody inspects. GWLB itself never fails open: it sends to a dead target when all are dead."
  type        = string
  default     = "open"
  validation {
    condition     = contains(["open", "static", "closed"], var.on_failure)
    error_message = "on_failure is open, static or closed."
  }
}

variable "target_failover" {
  description = "no_rebalance keeps flows where they are until they end; rebalance moves the flows of a dead target in mid-stream."
  type        = string
  default     = "rebalance"
  validation {
    condition     = contains(["rebalance", "no_rebalance"], var.target_failover)
    error_message = "target_failover is rebalance or no_rebalance."
  }
}

variable "cross_zone" {
  description = "Sensors of one zone take over for another's that died; part of the traffic then crosses zones, which AWS charges for. Without it a zone needs at least two sensors."
  type        = bool
  default     = true
}

variable "drain_seconds" {
  description = "How long a sensor that leaves still gets packets of the flows it has."
  type        = number
  default     = 300
}

variable "tcp_idle_seconds" {
  description = "After this silence the load balancer forgets a TCP flow and drops what comes later."
  type        = number
  default     = 350
  validation {
    condition     = var.tcp_idle_seconds >= 60 && var.tcp_idle_seconds <= 6000
    error_message = "AWS takes 60 to 6000 seconds."
  }
}

variable "mtu" {
  description = "MTU of the sensors' interface: the load balancer adds 68 bytes, and packets above mtu - 68 are lost: 3430 by default, which is what fits one buffer of ENA's XDP. With a driver that takes several (sensor doctor tells), 8568 carries all that the load balancer does. What comes from the internet has 1500; instances that talk to each other through the sensors need an MTU of mtu - 68 or less."
  type        = number
  default     = 3498
  validation {
    condition     = var.mtu >= 1568 && var.mtu <= 9001
    error_message = "1568 carries packets of 1500 bytes, 9001 is the largest of an EC2 interface; above 3498 the sensor starts only where the driver takes frames of several buffers in XDP."
  }
}

variable "collector" {
  description = "The collector: its bus's URL, its security group, and the secret with an enrolment token (collector token create --uses N). null runs the sensors alone."
  type        = object({ url = string, security_group_id = string, secret_arn = string })
  default     = null
}

variable "alarm_actions" {
  description = "ARNs that alarms tell, such as an SNS topic."
  type        = list(string)
  default     = []
}
