# The sensors: a launch template and a group across zones.

locals {
  health_port = 8080
  config = {
    mode        = "gwlb"
    interfaces  = ["$INTERFACE"]
    policy      = var.policy
    on-failure  = var.on_failure
    bpffs       = "/run/weirbpf"
    health      = { listen = "0.0.0.0:${local.health_port}" }
    collector   = { url = var.collector == null ? "" : var.collector.url, credentials = "/var/lib/weir/sensor.creds" }
    never-block = var.gwlb_cidrs
  }
}

resource "aws_security_group" "sensor" {
  name        = "${var.name}-sensor"
  description = "GENEVE and probes from the load balancer"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "geneve" {
  for_each          = toset(var.gwlb_cidrs)
  security_group_id = aws_security_group.sensor.id
  description       = "GENEVE from the load balancer only: whoever reaches 6081 can inject packets"
  ip_protocol       = "udp"
  from_port         = 6081
  to_port           = 6081
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "health" {
  for_each          = toset(var.gwlb_cidrs)
  security_group_id = aws_security_group.sensor.id
  description       = "probes"
  ip_protocol       = "tcp"
  from_port         = local.health_port
  to_port           = local.health_port
  cidr_ipv4         = each.value
}

# The answer swaps addresses but not ports, so it is no answer to the security group: it must be let out by a rule.
resource "aws_vpc_security_group_egress_rule" "geneve" {
  for_each          = toset(var.gwlb_cidrs)
  security_group_id = aws_security_group.sensor.id
  description       = "GENEVE back to the load balancer"
  ip_protocol       = "udp"
  from_port         = 6081
  to_port           = 6081
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_egress_rule" "bus" {
  count                        = var.collector == null ? 0 : 1
  security_group_id            = aws_security_group.sensor.id
  description                  = "the collector's bus"
  ip_protocol                  = "tcp"
  from_port                    = 4222
  to_port                      = 4222
  referenced_security_group_id = var.collector.security_group_id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.sensor.id
  description       = "AWS APIs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_launch_template" "sensor" {
  name_prefix            = "${var.name}-"
  image_id               = var.ami_id
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.sensor.id]
  update_default_version = true
  user_data              = base64encode(templatefile("${path.module}/user-data.sh", local.user_data))

  iam_instance_profile { arn = aws_iam_instance_profile.sensor.arn }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      encrypted   = true
      volume_type = "gp3"
      volume_size = 20
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-sensor" }
  }
}

locals {
  user_data = {
    config     = yamlencode(local.config)
    mtu        = var.mtu
    secret_arn = var.collector == null ? "" : var.collector.secret_arn
    group      = "${var.name}-sensor"
  }
}

resource "aws_autoscaling_group" "sensor" {
  name                      = "${var.name}-sensor"
  min_size                  = var.capacity.min
  max_size                  = var.capacity.max
  vpc_zone_identifier       = var.sensor_subnet_ids
  target_group_arns         = [aws_lb_target_group.this.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 120

  launch_template {
    id      = aws_launch_template.sensor.id
    version = aws_launch_template.sensor.latest_version
  }

  # A sensor takes traffic only when it inspects: user data completes the hook after /healthz said 200.
  initial_lifecycle_hook {
    name                 = "inspecting"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 300
    default_result       = "ABANDON"
  }

  # A sensor that leaves is deregistered first, and lives until its flows have drained or the time is over.
  initial_lifecycle_hook {
    name                 = "draining"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = max(30, var.drain_seconds)
    default_result       = "CONTINUE"
  }

  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
    }
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "${var.name}-cpu"
  autoscaling_group_name = aws_autoscaling_group.sensor.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 50
    # Growing is safe; shrinking moves flows. It is left to people.
    disable_scale_in = true
    predefined_metric_specification { predefined_metric_type = "ASGAverageCPUUtilization" }
  }
}
