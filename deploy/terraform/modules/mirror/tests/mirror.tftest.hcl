mock_provider "aws" {}

variables {
  sensor_interface_id = "eni-1"
  sources             = { web = "eni-2", api = "eni-3" }
}

run "sessions" {
  assert {
    condition     = aws_ec2_traffic_mirror_session.this["api"].virtual_network_id == 1000 && aws_ec2_traffic_mirror_session.this["web"].virtual_network_id == 1001
    error_message = "each source needs a VNI of its own"
  }
  assert {
    condition     = aws_ec2_traffic_mirror_session.this["web"].packet_length == 8947
    error_message = "54 bytes of the sensor's MTU go to the tunnel"
  }
  assert {
    condition     = length(aws_ec2_traffic_mirror_filter_rule.all) == 4
    error_message = "both directions of both IP versions"
  }
}

run "too_many" {
  command = plan
  variables { sources = { for n in range(11) : tostring(n) => "eni-${n}" } }
  expect_failures = [var.sources]
}
