mock_provider "aws" {
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/gwy/weir/0123456789abcdef" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/weir/0123456789abcdef" }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::111122223333:instance-profile/weir-sensor" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  vpc_id            = "vpc-1"
  gwlb_subnet_ids   = ["subnet-a", "subnet-b"]
  gwlb_cidrs        = ["10.0.0.0/28", "10.0.0.16/28"]
  sensor_subnet_ids = ["subnet-c", "subnet-d"]
  ami_id            = "ami-0123456789abcdef0"
  endpoints = {
    a = { vpc_id = "vpc-1", subnet_id = "subnet-e" }
    b = { vpc_id = "vpc-1", subnet_id = "subnet-f" }
  }
  routes = {
    four = { route_table_id = "rtb-a", destination = "0.0.0.0/0", endpoint = "a" }
    six  = { route_table_id = "rtb-b", destination = "::/0", endpoint = "b" }
  }
}

run "whole" {
  assert {
    condition     = aws_lb_target_group.this.protocol == "GENEVE" && aws_lb_target_group.this.port == 6081
    error_message = "GWLB speaks GENEVE on 6081 only"
  }
  assert {
    condition     = aws_lb_target_group.this.health_check[0].path == "/healthz" && aws_lb_target_group.this.health_check[0].unhealthy_threshold == 2
    error_message = "the probe must ask whether traffic is inspected, and two of them must be enough"
  }
  assert {
    condition     = length(aws_vpc_endpoint.this) == 2
    error_message = "one endpoint for each name"
  }
  assert {
    condition     = aws_route.this["six"].destination_ipv6_cidr_block == "::/0" && aws_route.this["six"].destination_cidr_block == null
    error_message = "an IPv6 route needs the IPv6 attribute"
  }
  assert {
    condition     = alltrue([for r in module.security_group.ingress : contains(var.gwlb_cidrs, r.cidr_ipv4)]) && keys(module.security_group.egress) == ["geneve 10.0.0.0/28", "geneve 10.0.0.16/28", "https"]
    error_message = "GENEVE comes from the load balancer's subnets only, and answers are let out to each"
  }
  assert {
    condition     = aws_launch_template.sensor.metadata_options[0].http_tokens == "required"
    error_message = "IMDSv2 only"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.sensor.user_data), "\"mode\": \"gwlb\"") && strcontains(base64decode(aws_launch_template.sensor.user_data), "mtu 3498")
    error_message = "user data must configure gwlb mode and the MTU"
  }
}

run "zones_apart" {
  command = plan
  variables { cross_zone = false }
  assert {
    condition     = !aws_lb.this.enable_cross_zone_load_balancing
    error_message = "traffic must stay in its zone"
  }
}

run "small_mtu" {
  command = plan
  variables { mtu = 1500 }
  expect_failures = [var.mtu]
}

run "jumbo" {
  command = plan
  variables { mtu = 8568 }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.sensor.user_data), "mtu 8568")
    error_message = "all that the load balancer carries, where the driver takes it"
  }
}

run "larger_than_an_interface" {
  command = plan
  variables { mtu = 9002 }
  expect_failures = [var.mtu]
}
