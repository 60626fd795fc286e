mock_provider "aws" {
  override_during = plan
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  vpc_id = "vpc-1"
  nodes = {
    n1 = { subnet_id = "subnet-a", availability_zone = "eu-west-1a", address = "10.0.0.10", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:n1" }
    n2 = { subnet_id = "subnet-b", availability_zone = "eu-west-1b", address = "10.0.1.10", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:n2" }
    n3 = { subnet_id = "subnet-c", availability_zone = "eu-west-1c", address = "10.0.2.10", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:n3" }
  }
  collector_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:collector"
  tls_secret_arn       = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls"
  identity             = { bucket = "weir-identity", key = "identity.backup" }
  ami_id               = "ami-0123456789abcdef0"
  sensor_cidrs         = ["10.0.0.0/16"]
}

run "whole" {
  command = plan
  assert {
    condition     = length(module.host) == 3 && alltrue([for h in module.host : h.instance.metadata_options[0].http_tokens == "required"])
    error_message = "three nodes, IMDSv2 only"
  }
  assert {
    condition     = output.url == "tls://10.0.0.10:4222,tls://10.0.1.10:4222,tls://10.0.2.10:4222"
    error_message = "sensors name all servers"
  }
  assert {
    condition     = strcontains(module.host["n2"].instance.user_data, "name: n2") && strcontains(module.host["n2"].instance.user_data, "advertise: https://10.0.1.10:8443")
    error_message = "a collector has its node's name and says where its console is"
  }
  assert {
    condition     = !strcontains(module.host["n3"].instance.user_data, "collector.yaml") && strcontains(module.host["n3"].instance.user_data, "weir-nats.service")
    error_message = "the third node is a server alone"
  }
  assert {
    condition     = local.secrets["n3"] == ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:n3"] && length(local.secrets["n1"]) == 3
    error_message = "a server reads no collector's keys"
  }
  assert {
    condition     = keys(module.host["n3"].statements) == tolist(["ReadSecrets"]) && module.host["n1"].statements["ReadIdentity"].actions[0] == "s3:GetObject"
    error_message = "a role holds what its node needs and no more"
  }
  assert {
    condition     = !strcontains(module.host["n1"].instance.user_data, "state:") && alltrue([for h in module.host : h.volume.encrypted])
    error_message = "no database unless named; encrypted volumes"
  }
}

run "with_postgres" {
  command = plan
  variables {
    postgres = { address = "host=db port=5432 user=weir dbname=weir sslmode=verify-full", secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db", security_group_id = "sg-db" }
  }
  assert {
    condition     = strcontains(module.host["n1"].instance.user_data, "postgres: \"host=db") && module.security_group.egress["postgres"].to_port == 5432 && length(local.secrets["n1"]) == 4
    error_message = "the audit log's database is configured, reachable, and its password readable"
  }
}

run "one_zone" {
  command = plan
  variables {
    nodes = {
      n1 = { subnet_id = "subnet-a", availability_zone = "eu-west-1a", address = "10.0.0.10", secret_arn = "arn:1" }
      n2 = { subnet_id = "subnet-a", availability_zone = "eu-west-1a", address = "10.0.0.11", secret_arn = "arn:2" }
      n3 = { subnet_id = "subnet-a", availability_zone = "eu-west-1a", address = "10.0.0.12", secret_arn = "arn:3" }
    }
  }
  expect_failures = [var.nodes]
}

run "stranger" {
  command = plan
  variables { collectors = ["n1", "n4"] }
  expect_failures = [var.collectors]
}
