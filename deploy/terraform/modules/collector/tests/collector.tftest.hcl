mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  vpc_id            = "vpc-1"
  subnet_id         = "subnet-a"
  availability_zone = "eu-west-1a"
  ami_id            = "ami-0123456789abcdef0"
  sensor_cidrs      = ["10.0.0.0/16"]
  tls_secret_arn    = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:weir"
}

run "closed" {
  command = plan
  assert {
    condition     = keys(module.security_group.ingress) == ["bus 10.0.0.0/16"] && module.security_group.ingress["bus 10.0.0.0/16"].from_port == 4222
    error_message = "nobody reaches the console unless named"
  }
  assert {
    condition     = module.host.volume.encrypted && module.host.instance.metadata_options[0].http_tokens == "required"
    error_message = "encrypted volume, IMDSv2 only"
  }
}
