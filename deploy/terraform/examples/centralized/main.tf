# An inspection VPC that a transit gateway sends everything through. The transit gateway's attachment of this VPC must have
# appliance mode on, or the two directions of a conversation come through different zones.

variable "vpc_id" { type = string }
variable "gwlb_subnet_ids" { type = list(string) }
variable "gwlb_cidrs" { type = list(string) }
variable "sensor_subnet_ids" { type = list(string) }
variable "endpoint_subnet_ids" {
  description = "By zone."
  type        = map(string)
}
variable "attachment_route_table_ids" {
  description = "Route tables of the transit gateway's subnets, by zone: each leads to the endpoint of its own zone."
  type        = map(string)
}
variable "ami_id" { type = string }
variable "collector" {
  description = "From the collector module, with the secret that holds an enrolment token."
  type        = object({ url = string, security_group_id = string, secret_arn = string })
  default     = null
}

module "gwlb" {
  source            = "../../modules/gwlb"
  vpc_id            = var.vpc_id
  gwlb_subnet_ids   = var.gwlb_subnet_ids
  gwlb_cidrs        = var.gwlb_cidrs
  sensor_subnet_ids = var.sensor_subnet_ids
  ami_id            = var.ami_id
  collector         = var.collector
  endpoints         = { for zone, subnet in var.endpoint_subnet_ids : zone => { vpc_id = var.vpc_id, subnet_id = subnet } }
  routes = { for zone, table in var.attachment_route_table_ids : zone => {
    route_table_id = table, destination = "0.0.0.0/0", endpoint = zone
  } }
}
