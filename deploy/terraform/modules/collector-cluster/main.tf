# Three NATS servers in different zones; two of the hosts run a collector too.

resource "aws_ebs_volume" "data" {
  for_each          = var.nodes
  availability_zone = each.value.availability_zone
  size              = var.data_gib
  type              = "gp3"
  encrypted         = true
  tags              = { Name = "${var.name}-${each.key}" }

  lifecycle { prevent_destroy = true }
}

resource "aws_instance" "this" {
  for_each               = var.nodes
  ami                    = var.ami_id
  instance_type          = var.instance_type
  subnet_id              = each.value.subnet_id
  private_ip             = each.value.address
  vpc_security_group_ids = [aws_security_group.this.id]
  iam_instance_profile   = aws_iam_instance_profile.this[each.key].name
  tags                   = { Name = "${var.name}-${each.key}" }

  user_data = templatefile("${path.module}/user-data.sh", {
    node             = each.key
    volume           = replace(aws_ebs_volume.data[each.key].id, "-", "")
    node_secret      = each.value.secret_arn
    collector        = contains(var.collectors, each.key)
    collector_secret = var.collector_secret_arn
    tls_secret       = var.tls_secret_arn
    identity         = "s3://${var.identity.bucket}/${var.identity.key}"
    postgres         = var.postgres == null ? "" : var.postgres.address
    postgres_secret  = var.postgres == null ? "" : var.postgres.secret_arn
    urls             = jsonencode([for n in var.nodes : "tls://${n.address}:4222"])
    console          = "https://${each.value.address}:8443"
  })

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted = true
  }

  lifecycle {
    precondition {
      condition     = alltrue([for c in var.collectors : contains(keys(var.nodes), c)])
      error_message = "collectors names a node that nodes does not have."
    }
  }
}

resource "aws_volume_attachment" "data" {
  for_each    = var.nodes
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data[each.key].id
  instance_id = aws_instance.this[each.key].id
}
