mock_provider "aws" {
  mock_resource "aws_ssm_document" {
    defaults = { latest_version = "1" }
  }
}

variables {
  tag            = { key = "Role", value = "proxy" }
  package_url    = "https://packages.example/weir-sensor_1.0.0-1_arm64.deb"
  package_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
}

run "rollout" {
  assert {
    condition     = aws_ssm_association.install.targets[0].key == "tag:Role" && aws_ssm_association.install.max_errors == "0"
    error_message = "found by tag, and stopped by the first failure"
  }
  assert {
    condition     = strcontains(aws_ssm_document.install.content, "sha256sum --check")
    error_message = "an unverified package would be installed"
  }
}

run "plain_http" {
  command = plan
  variables { package_url = "http://packages.example/weir-sensor.deb" }
  expect_failures = [var.package_url]
}
