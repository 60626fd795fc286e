mock_provider "aws" {
  override_during = plan
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
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
  vpc_id = "vpc-1"
  ami_id = "ami-0123456789abcdef0"
  nodes = {
    n1 = { subnet_id = "subnet-a", availability_zone = "eu-west-1a", address = "10.0.0.10", secret_arn = "arn:1" }
    n2 = { subnet_id = "subnet-b", availability_zone = "eu-west-1b", address = "10.0.1.10", secret_arn = "arn:2" }
    n3 = { subnet_id = "subnet-c", availability_zone = "eu-west-1c", address = "10.0.2.10", secret_arn = "arn:3" }
  }
  collector_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:collector"
  tls_secret_arn       = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls"
  identity             = { bucket = "weir-identity", key = "identity.backup" }
  console_cidrs        = ["10.9.0.0/24"]
  gwlb                 = { subnet_ids = ["subnet-d", "subnet-e"], cidrs = ["10.0.3.0/28", "10.0.3.16/28"] }
  sensor_subnets       = { ids = ["subnet-f", "subnet-g"], cidrs = ["10.0.4.0/24", "10.0.5.0/24"] }
}

run "sensors_know_all_servers" {
  command = plan
  assert {
    condition     = output.collector_url == "tls://10.0.0.10:4222,tls://10.0.1.10:4222,tls://10.0.2.10:4222"
    error_message = "a sensor enrols and connects by any server that lives"
  }
}
