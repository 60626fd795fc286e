# A Gateway Load Balancer with its endpoint service, endpoints, and the routes that lead to them.

resource "aws_lb" "this" {
  name                             = var.name
  load_balancer_type               = "gateway"
  subnets                          = var.gwlb_subnet_ids
  enable_cross_zone_load_balancing = var.cross_zone
}

resource "aws_lb_target_group" "this" {
  name                 = var.name
  port                 = 6081
  protocol             = "GENEVE"
  vpc_id               = var.vpc_id
  target_type          = "instance"
  deregistration_delay = var.drain_seconds

  # /healthz is 200 only while the sensor inspects: attached, its workers turning, its rules loaded.
  health_check {
    port                = local.health_port
    protocol            = "HTTP"
    path                = "/healthz"
    matcher             = "200"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  # AWS wants both to be the same.
  target_failover {
    on_deregistration = var.target_failover
    on_unhealthy      = var.target_failover
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn        = aws_lb.this.arn
  tcp_idle_timeout_seconds = var.tcp_idle_seconds

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_vpc_endpoint_service" "this" {
  acceptance_required        = false
  allowed_principals         = var.allowed_principals
  gateway_load_balancer_arns = [aws_lb.this.arn]
  supported_ip_address_types = ["ipv4"]
  tags                       = { Name = var.name }
}

resource "aws_vpc_endpoint" "this" {
  for_each          = var.endpoints
  service_name      = aws_vpc_endpoint_service.this.service_name
  vpc_endpoint_type = "GatewayLoadBalancer"
  vpc_id            = each.value.vpc_id
  subnet_ids        = [each.value.subnet_id]
  tags              = { Name = "${var.name}-${each.key}" }
}

resource "aws_route" "this" {
  for_each                    = var.routes
  route_table_id              = each.value.route_table_id
  destination_cidr_block      = strcontains(each.value.destination, ":") ? null : each.value.destination
  destination_ipv6_cidr_block = strcontains(each.value.destination, ":") ? each.value.destination : null
  vpc_endpoint_id             = aws_vpc_endpoint.this[each.value.endpoint].id
}

# What GWLB did not take back, by AWS's four rules: any of these is a fault of the sensor or of the way to it.
resource "aws_cloudwatch_metric_alarm" "refused" {
  for_each = toset([
    "PacketsDroppedCount_InvalidGeneveTunnel",
    "PacketsDroppedCount_InvalidGwlbEndpointId",
    "PacketsDroppedCount_InvalidGwlbFlowCookie",
    "PacketsDroppedCount_MissingFlowEntry",
  ])
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "The load balancer refused packets that sensors sent back."
  namespace           = "AWS/GatewayELB"
  metric_name         = each.key
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.key == "PacketsDroppedCount_MissingFlowEntry" ? 1000 : 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "unhealthy" {
  alarm_name          = "${var.name}-unhealthy"
  alarm_description   = "A sensor does not inspect. When none does, GWLB sends to one at random: on-failure decides."
  namespace           = "AWS/GatewayELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = var.alarm_actions
}
