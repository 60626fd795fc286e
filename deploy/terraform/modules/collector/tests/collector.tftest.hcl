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
    condition     = length(aws_vpc_security_group_ingress_rule.console) == 0 && aws_vpc_security_group_ingress_rule.bus["10.0.0.0/16"].from_port == 4222
    error_message = "nobody reaches the console unless named"
  }
  assert {
    condition     = aws_ebs_volume.data.encrypted && aws_instance.this.metadata_options[0].http_tokens == "required"
    error_message = "encrypted volume, IMDSv2 only"
  }
}
