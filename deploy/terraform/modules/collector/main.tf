# One collector with a volume that outlives it.

module "security_group" {
  source      = "../../parts/security-group"
  name        = var.name
  description = "Sensors' bus and the console"
  vpc_id      = var.vpc_id
  ingress = merge(
    { for cidr in var.sensor_cidrs : "bus ${cidr}" => { port = 4222, cidr = cidr, description = "sensors" } },
    { for cidr in var.console_cidrs : "console ${cidr}" => { port = 8443, cidr = cidr, description = "console and API" } },
  )
  egress = {}
}

module "host" {
  source            = "../../parts/host"
  name              = var.name
  ami_id            = var.ami_id
  instance_type     = var.instance_type
  subnet_id         = var.subnet_id
  availability_zone = var.availability_zone
  data_gib          = var.data_gib
  security_group_id = module.security_group.id
  statements        = { ReadCertificates = { actions = ["secretsmanager:GetSecretValue"], resources = [var.tls_secret_arn] } }
  user_data         = { file = "${path.module}/user-data.sh", values = { secret_arn = var.tls_secret_arn } }
}
