# A security group: who is let in, and whom its instances reach. AWS's APIs are reached by HTTPS.

variable "name" {
  type = string
}

variable "description" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "ingress" {
  description = "One port of one protocol by name, from a CIDR, from a security group, or among the group's own members (self)."
  type        = map(object({ protocol = optional(string, "tcp"), port = number, cidr = optional(string), group = optional(string), self = optional(bool, false), description = string }))
}

variable "egress" {
  description = "Likewise to a CIDR, a security group, or its own members."
  type        = map(object({ protocol = optional(string, "tcp"), port = number, cidr = optional(string), group = optional(string), self = optional(bool, false), description = string }))
}

locals {
  egress = merge(var.egress, { https = { protocol = "tcp", port = 443, cidr = "0.0.0.0/0", group = null, self = false, description = "AWS APIs" } })
}

resource "aws_security_group" "this" {
  name        = var.name
  description = var.description
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each                     = var.ingress
  security_group_id            = aws_security_group.this.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.self ? aws_security_group.this.id : each.value.group
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each                     = local.egress
  security_group_id            = aws_security_group.this.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.self ? aws_security_group.this.id : each.value.group
}

output "id" {
  value = aws_security_group.this.id
}

output "ingress" {
  value = aws_vpc_security_group_ingress_rule.this
}

output "egress" {
  value = aws_vpc_security_group_egress_rule.this
}
