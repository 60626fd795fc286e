# Each node reads its own secret; those that run a collector read the collectors' too.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

locals {
  secrets = { for name, n in var.nodes : name => concat([n.secret_arn],
    contains(var.collectors, name) ? concat([var.collector_secret_arn, var.tls_secret_arn], var.postgres[*].secret_arn) : [],
  ) }
}

data "aws_iam_policy_document" "this" {
  for_each = var.nodes
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secrets[each.key]
  }
  dynamic "statement" {
    for_each = contains(var.collectors, each.key) ? [var.identity] : []
    content {
      actions   = ["s3:GetObject"]
      resources = ["arn:aws:s3:::${statement.value.bucket}/${statement.value.key}"]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each           = var.nodes
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  for_each = var.nodes
  name     = "collector"
  role     = aws_iam_role.this[each.key].id
  policy   = data.aws_iam_policy_document.this[each.key].json
}

resource "aws_iam_instance_profile" "this" {
  for_each = var.nodes
  name     = "${var.name}-${each.key}"
  role     = aws_iam_role.this[each.key].name
}
