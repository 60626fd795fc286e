mock_provider "aws" {
  override_during = plan
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
  mock_resource "aws_instance" {
    defaults = { private_ip = "10.0.3.10" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  vpc_id                     = "vpc-1"
  ami_id                     = "ami-0123456789abcdef0"
  tls_secret_arn             = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls"
  console_cidrs              = ["10.9.0.0/24"]
  collector_subnet           = { id = "subnet-c", availability_zone = "eu-west-1a" }
  gwlb                       = { subnet_ids = ["subnet-a", "subnet-b"], cidrs = ["10.0.0.0/28", "10.0.0.16/28"] }
  sensor_subnets             = { ids = ["subnet-d", "subnet-e"], cidrs = ["10.0.1.0/24", "10.0.2.0/24"] }
  endpoint_subnet_ids        = { a = "subnet-f", b = "subnet-g" }
  attachment_route_table_ids = { a = "rtb-a", b = "rtb-b" }
}

run "parts_know_each_other" {
  command = plan
  assert {
    condition     = output.collector_url == "tls://10.0.3.10:4222"
    error_message = "sensors are told the collector's address"
  }
}
