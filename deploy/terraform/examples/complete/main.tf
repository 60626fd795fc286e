# All of it: a collector, a secret for the enrolment token, and sensors behind a load balancer that a transit gateway sends traffic through.
#
# 1. terraform apply with sensors = {min = 0, max = 0}
# 2. on the collector: collector token create --group edge --uses 50 --ttl 720h, and its output into the secret:
#    aws secretsmanager put-secret-value --secret-id weir-enrolment --secret-string TOKEN
# 3. terraform apply with sensors = {min = 2, max = 6}: each enrols with the token and gets traffic when it inspects

variable "vpc_id" { type = string }
variable "ami_id" { type = string }
variable "tls_secret_arn" { type = string }
variable "console_cidrs" { type = list(string) }
variable "collector_subnet" {
  type = object({ id = string, availability_zone = string })
}
variable "gwlb" {
  type = object({ subnet_ids = list(string), cidrs = list(string) })
}
variable "sensor_subnets" {
  type = object({ ids = list(string), cidrs = list(string) })
}
variable "endpoint_subnet_ids" {
  description = "By zone."
  type        = map(string)
}
variable "attachment_route_table_ids" {
  description = "Route tables of the transit gateway's subnets, by zone."
  type        = map(string)
}
variable "sensors" {
  description = "Instances: none before the token is in its secret."
  type        = object({ min = number, max = number })
  default     = { min = 0, max = 0 }
}

resource "aws_secretsmanager_secret" "enrolment" {
  name        = "weir-enrolment"
  description = "A token of collector token create, with which sensors enrol"
}

module "collector" {
  source            = "../../modules/collector"
  vpc_id            = var.vpc_id
  subnet_id         = var.collector_subnet.id
  availability_zone = var.collector_subnet.availability_zone
  ami_id            = var.ami_id
  sensor_cidrs      = var.sensor_subnets.cidrs
  console_cidrs     = var.console_cidrs
  tls_secret_arn    = var.tls_secret_arn
}

module "gwlb" {
  source            = "../../modules/gwlb"
  vpc_id            = var.vpc_id
  gwlb_subnet_ids   = var.gwlb.subnet_ids
  gwlb_cidrs        = var.gwlb.cidrs
  sensor_subnet_ids = var.sensor_subnets.ids
  ami_id            = var.ami_id
  capacity          = var.sensors
  endpoints         = { for zone, subnet in var.endpoint_subnet_ids : zone => { vpc_id = var.vpc_id, subnet_id = subnet } }
  routes = { for zone, table in var.attachment_route_table_ids : zone => {
    route_table_id = table, destination = "0.0.0.0/0", endpoint = zone
  } }
  collector = {
    url               = module.collector.url
    security_group_id = module.collector.security_group_id
    secret_arn        = aws_secretsmanager_secret.enrolment.arn
  }
}

output "collector_url" {
  value = module.collector.url
}
