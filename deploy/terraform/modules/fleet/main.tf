# A sensor on the own interface of instances that exist, found by tag. A failure on one instance stops the roll-out.

resource "aws_ssm_document" "install" {
  name            = var.name
  document_type   = "Command"
  document_format = "JSON"
  content = jsonencode({
    schemaVersion = "2.2"
    description   = "Installs and starts the Weir sensor in host mode"
    mainSteps = [{
      action = "aws:runShellScript"
      name   = "install"
      inputs = {
        timeoutSeconds = "300"
        runCommand     = [templatefile("${path.module}/install.sh", { url = var.package_url, sha256 = var.package_sha256, config = local.config, secret_arn = var.token_secret_arn })]
      }
    }]
  })
}

locals {
  config = yamlencode({
    mode       = "host"
    interfaces = ["$INTERFACE"]
    policy     = var.policy
    bpffs      = "/run/weirbpf"
    health     = { listen = "127.0.0.1:8080" }
    collector  = { url = var.collector_url, credentials = "/var/lib/weir/sensor.creds" }
  })
}

resource "aws_ssm_association" "install" {
  association_name = var.name
  name             = aws_ssm_document.install.name
  document_version = aws_ssm_document.install.latest_version
  max_concurrency  = var.at_once
  max_errors       = "0"

  targets {
    key    = "tag:${var.tag.key}"
    values = [var.tag.value]
  }
}
