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

module "security_group" {
  source      = "../../parts/security-group"
  name        = "${var.name}-sensor"
  description = "GENEVE and probes from the load balancer"
  vpc_id      = var.vpc_id
  ingress = merge(
    { for cidr in var.gwlb_cidrs : "geneve ${cidr}" => { protocol = "udp", port = 6081, cidr = cidr, description = "GENEVE from the load balancer only: whoever reaches 6081 can inject packets" } },
    { for cidr in var.gwlb_cidrs : "health ${cidr}" => { port = local.health_port, cidr = cidr, description = "probes" } },
  )
  # The answer swaps addresses but not ports, so it is no answer to the security group: it must be let out by a rule.
  egress = merge(
    { for cidr in var.gwlb_cidrs : "geneve ${cidr}" => { protocol = "udp", port = 6081, cidr = cidr, description = "GENEVE back to the load balancer" } },
    { for c in var.collector[*] : "bus" => { port = 4222, group = c.security_group_id, description = "the collector's bus" } },
  )
}

resource "aws_launch_template" "sensor" {
  name_prefix            = "${var.name}-"
  image_id               = var.ami_id
  instance_type          = var.instance_type
  vpc_security_group_ids = [module.security_group.id]
  update_default_version = true
  user_data              = base64encode(templatefile("${path.module}/user-data.sh", local.user_data))

  iam_instance_profile { arn = module.role.profile.arn }

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
