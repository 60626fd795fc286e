mock_provider "aws" {
  mock_data "aws_network_interfaces" {
    defaults = { ids = ["eni-1", "eni-4", "eni-5"] }
  }
}

variables {
  sensor_interface_ids = ["eni-1"]
  sources              = { web = "eni-2", api = "eni-3" }
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

run "by_tag" {
  variables {
    sensor_interface_ids = ["eni-1", "eni-9"]
    source_tag           = { key = "Mirror", value = "yes" }
  }
  assert {
    condition     = toset(keys(aws_ec2_traffic_mirror_session.this)) == toset(["api", "eni-4", "eni-5", "web"])
    error_message = "tagged interfaces are mirrored, the sensor's own is not"
  }
  assert {
    condition     = length(aws_ec2_traffic_mirror_target.this) == 2 && length(distinct([for s in aws_ec2_traffic_mirror_session.this : s.virtual_network_id])) == 4
    error_message = "every sensor is a target, and no two sessions share a VNI"
  }
}

run "too_many" {
  command = plan
  variables { sources = { for n in range(11) : tostring(n) => "eni-${n + 100}" } }
  expect_failures = [aws_ec2_traffic_mirror_session.this]
}
