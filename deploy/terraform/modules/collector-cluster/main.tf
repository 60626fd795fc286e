# Three NATS servers in different zones; two of the hosts run a collector too.

module "security_group" {
  source      = "../../parts/security-group"
  name        = var.name
  description = "Sensors' bus, the bus's own links, and the console"
  vpc_id      = var.vpc_id
  # 4222: collectors to servers; 6222: servers among each other.
  ingress = merge(
    { for cidr in var.sensor_cidrs : "bus ${cidr}" => { port = 4222, cidr = cidr, description = "sensors" } },
    { for cidr in var.console_cidrs : "console ${cidr}" => { port = 8443, cidr = cidr, description = "console and API" } },
    { for port in [4222, 6222] : "among ${port}" => { port = port, self = true, description = "among the nodes" } },
  )
  egress = merge(
    { for port in [4222, 6222] : "among ${port}" => { port = port, self = true, description = "among the nodes" } },
    { for p in var.postgres[*] : "postgres" => { port = 5432, group = p.security_group_id, description = "what the collectors share" } },
  )
}

locals {
  # Each node reads its own secret; those that run a collector read the collectors' too, and what all of them begin with.
  secrets = { for name, n in var.nodes : name => concat([n.secret_arn],
    contains(var.collectors, name) ? concat([var.collector_secret_arn, var.tls_secret_arn], var.postgres[*].secret_arn) : [],
  ) }
  statements = { for name, secrets in local.secrets : name => merge(
    { ReadSecrets = { actions = ["secretsmanager:GetSecretValue"], resources = secrets } },
    { for i in contains(var.collectors, name) ? [var.identity] : [] : "ReadIdentity" => { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::${i.bucket}/${i.key}"] } },
  ) }
}

module "host" {
  source            = "../../parts/host"
  for_each          = var.nodes
  name              = "${var.name}-${each.key}"
  ami_id            = var.ami_id
  instance_type     = var.instance_type
  subnet_id         = each.value.subnet_id
  availability_zone = each.value.availability_zone
  address           = each.value.address
  data_gib          = var.data_gib
  security_group_id = module.security_group.id
  statements        = local.statements[each.key]
  user_data = { file = "${path.module}/user-data.sh", values = {
    node             = each.key
    node_secret      = each.value.secret_arn
    collector        = tostring(contains(var.collectors, each.key))
    collector_secret = var.collector_secret_arn
    tls_secret       = var.tls_secret_arn
    identity         = "s3://${var.identity.bucket}/${var.identity.key}"
    postgres         = var.postgres == null ? "" : var.postgres.address
    postgres_secret  = var.postgres == null ? "" : var.postgres.secret_arn
    urls             = jsonencode([for n in var.nodes : "tls://${n.address}:4222"])
    console          = "https://${each.value.address}:8443"
  } }
}
