resource "aws_security_group" "this" {
  name        = var.name
  description = "Sensors' bus, the bus's own links, and the console"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "bus" {
  for_each          = toset(var.sensor_cidrs)
  security_group_id = aws_security_group.this.id
  description       = "sensors"
  ip_protocol       = "tcp"
  from_port         = 4222
  to_port           = 4222
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "console" {
  for_each          = toset(var.console_cidrs)
  security_group_id = aws_security_group.this.id
  description       = "console and API"
  ip_protocol       = "tcp"
  from_port         = 8443
  to_port           = 8443
  cidr_ipv4         = each.value
}

# 4222: collectors to servers; 6222: servers among each other.
resource "aws_vpc_security_group_ingress_rule" "among" {
  for_each                     = toset(["4222", "6222"])
  security_group_id            = aws_security_group.this.id
  description                  = "among the nodes"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  referenced_security_group_id = aws_security_group.this.id
}

resource "aws_vpc_security_group_egress_rule" "among" {
  for_each                     = toset(["4222", "6222"])
  security_group_id            = aws_security_group.this.id
  description                  = "among the nodes"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  referenced_security_group_id = aws_security_group.this.id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "AWS APIs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "postgres" {
  count                        = var.postgres == null ? 0 : 1
  security_group_id            = aws_security_group.this.id
  description                  = "what the collectors share"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = var.postgres.security_group_id
}
