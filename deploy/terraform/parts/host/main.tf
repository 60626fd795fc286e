# An instance with a role and a volume that outlives it. Metadata is answered to session tokens alone, disks are encrypted.

variable "name" {
  type = string
}

variable "ami_id" {
  type = string
}

variable "instance_type" {
  type = string
}

variable "subnet_id" {
  type = string
}

variable "availability_zone" {
  description = "Zone of the subnet, in which the volume lies."
  type        = string
}

variable "address" {
  description = "Fixed private address; null lets AWS choose."
  type        = string
  default     = null
}

variable "data_gib" {
  type = number
}

variable "security_group_id" {
  type = string
}

variable "statements" {
  description = "What the role may: see parts/role."
  type        = map(object({ actions = list(string), resources = list(string) }))
}

variable "user_data" {
  description = "Template of the first boot and what stands in it, beside the volume's id without its dash (volume)."
  type        = object({ file = string, values = map(any) })
}

module "role" {
  source     = "../role"
  name       = var.name
  statements = var.statements
}

resource "aws_ebs_volume" "data" {
  availability_zone = var.availability_zone
  size              = var.data_gib
  type              = "gp3"
  encrypted         = true
  tags              = { Name = var.name }

  lifecycle { prevent_destroy = true }
}

resource "aws_instance" "this" {
  ami                    = var.ami_id
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  private_ip             = var.address
  vpc_security_group_ids = [var.security_group_id]
  iam_instance_profile   = module.role.profile.name
  user_data              = templatefile(var.user_data.file, merge(var.user_data.values, { volume = replace(aws_ebs_volume.data.id, "-", "") }))
  tags                   = { Name = var.name }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted = true
  }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.this.id
}

output "instance" {
  value = aws_instance.this
}

output "volume" {
  value = aws_ebs_volume.data
}

output "statements" {
  value = module.role.statements
}
