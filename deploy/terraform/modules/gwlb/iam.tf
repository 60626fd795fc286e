# What a sensor may do: complete its own group's hooks and read the enrolment token.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "sensor" {
  statement {
    sid       = "CompleteOwnHooks"
    actions   = ["autoscaling:CompleteLifecycleAction"]
    resources = ["arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/${var.name}-sensor"]
  }
  dynamic "statement" {
    for_each = var.collector == null ? [] : [var.collector.secret_arn]
    content {
      sid       = "ReadEnrolmentToken"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "sensor" {
  name               = "${var.name}-sensor"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "sensor" {
  name   = "sensor"
  role   = aws_iam_role.sensor.id
  policy = data.aws_iam_policy_document.sensor.json
}

resource "aws_iam_instance_profile" "sensor" {
  name = "${var.name}-sensor"
  role = aws_iam_role.sensor.name
}
