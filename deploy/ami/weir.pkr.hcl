# An image with the sensor: Debian 12, the package, what first-boot needs. Build it with
#   packer init . && packer build -var package=../../dist/weir-sensor_1.2.3-1_arm64.deb -var architecture=arm64 .   # needs AWS

variable "package" {
  type        = string
  description = "The sensor's deb from make release, of the image's architecture."
}

variable "architecture" {
  type    = string
  default = "arm64"
  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "The architecture is arm64 or amd64."
  }
}

variable "region" {
  type    = string
  default = "eu-west-1"
}

variable "subnet_id" {
  type        = string
  default     = null
  description = "Where the image is built; null takes the default VPC."
}

locals {
  instance_type = var.architecture == "arm64" ? "t4g.small" : "t3.small"
}

source "amazon-ebs" "sensor" {
  region                  = var.region
  subnet_id               = var.subnet_id
  instance_type           = local.instance_type
  ssh_username            = "admin"
  ami_name                = "weir-sensor-${var.architecture}-{{timestamp}}"
  ami_description         = "Weir sensor on Debian 12"
  encrypt_boot            = true
  ena_support             = true
  imds_support            = "v2.0"
  temporary_key_pair_type = "ed25519"

  source_ami_filter {
    most_recent = true
    owners      = ["136693071363"] # Debian
    filters = {
      name                = "debian-12-${var.architecture}-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tags = {
    Name    = "weir-sensor"
    Package = basename(var.package)
    Base    = "{{ .SourceAMIName }}"
  }
}

build {
  sources = ["source.amazon-ebs.sensor"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/weir-sensor.deb"
  }

  provisioner "file" {
    source      = "${path.root}/provision"
    destination = "/tmp/provision"
  }

  provisioner "shell" {
    inline = ["cloud-init status --wait", "sudo bash /tmp/provision /tmp/weir-sensor.deb"]
  }
}
