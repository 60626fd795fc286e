# A collector, and a sensor on every instance tagged Role=proxy.

variable "vpc_id" { type = string }
variable "subnet_id" { type = string }
variable "availability_zone" { type = string }
variable "proxy_cidrs" { type = list(string) }
variable "ami_id" { type = string }
variable "tls_secret_arn" { type = string }
variable "package_url" { type = string }
variable "package_sha256" { type = string }

module "collector" {
  source            = "../../modules/collector"
  vpc_id            = var.vpc_id
  subnet_id         = var.subnet_id
  availability_zone = var.availability_zone
  ami_id            = var.ami_id
  sensor_cidrs      = var.proxy_cidrs
  tls_secret_arn    = var.tls_secret_arn
}

module "fleet" {
  source         = "../../modules/fleet"
  tag            = { key = "Role", value = "proxy" }
  package_url    = var.package_url
  package_sha256 = var.package_sha256
  collector_url  = module.collector.url
}
