# Two collectors on a NATS cluster of three, and sensors of an auto-scaling group that enrol with it.
#
# 1. the secrets and the identity's backup: docs/concepts/clusters.md, "In AWS"
# 2. terraform apply with sensors = {min = 0, max = 0}                                                # needs AWS
# 3. on the collector that leads: collector token create --group edge --uses 50 --ttl 720h, and its output into the secret:
#    aws secretsmanager put-secret-value --secret-id weir-enrolment --secret-string TOKEN             # needs AWS
# 4. terraform apply with sensors = {min = 2, max = 6}                                                # needs AWS

variable "vpc_id" { type = string }
variable "ami_id" {
  description = "Image with both packages, and nats-server 2.10 or later."
  type        = string
}
variable "nodes" {
  description = "As modules/collector-cluster takes them."
  type        = map(object({ subnet_id = string, availability_zone = string, address = string, secret_arn = string }))
}
variable "collector_secret_arn" { type = string }
variable "tls_secret_arn" { type = string }
variable "identity" { type = object({ bucket = string, key = string }) }
variable "console_cidrs" { type = list(string) }
variable "gwlb" {
  type = object({ subnet_ids = list(string), cidrs = list(string) })
}
variable "sensor_subnets" {
  type = object({ ids = list(string), cidrs = list(string) })
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

module "collectors" {
  source               = "../../modules/collector-cluster"
  vpc_id               = var.vpc_id
  ami_id               = var.ami_id
  nodes                = var.nodes
  collector_secret_arn = var.collector_secret_arn
  tls_secret_arn       = var.tls_secret_arn
  identity             = var.identity
  sensor_cidrs         = var.sensor_subnets.cidrs
  console_cidrs        = var.console_cidrs
}

module "gwlb" {
  source            = "../../modules/gwlb"
  vpc_id            = var.vpc_id
  gwlb_subnet_ids   = var.gwlb.subnet_ids
  gwlb_cidrs        = var.gwlb.cidrs
  sensor_subnet_ids = var.sensor_subnets.ids
  ami_id            = var.ami_id
  capacity          = var.sensors
  collector = {
    url               = module.collectors.url
    security_group_id = module.collectors.security_group_id
    secret_arn        = aws_secretsmanager_secret.enrolment.arn
  }
}

output "collector_url" {
  value = module.collectors.url
}
