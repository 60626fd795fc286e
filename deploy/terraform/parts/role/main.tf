# The role of an instance, which may what the statements say and nothing else.

variable "name" {
  type = string
}

variable "statements" {
  description = "Actions by the name of the statement, and the resources that they are allowed on."
  type        = map(object({ actions = list(string), resources = list(string) }))
  validation {
    condition     = alltrue(flatten([for s in var.statements : [for a in s.actions : !strcontains(a, "*")]])) && alltrue(flatten([for s in var.statements : [for r in s.resources : r != "*"]]))
    error_message = "Name the actions and the resources: no role here may do everything, or anything on everything."
  }
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  dynamic "statement" {
    for_each = var.statements
    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "weir"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = aws_iam_role.this.name
}

output "profile" {
  description = "Name and ARN of the instance profile."
  value       = { name = aws_iam_instance_profile.this.name, arn = aws_iam_instance_profile.this.arn }
}

output "statements" {
  value = var.statements
}
