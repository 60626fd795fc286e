# What a sensor may do: complete its own group's hooks and read the enrolment token.

module "role" {
  source = "../../parts/role"
  name   = "${var.name}-sensor"
  statements = merge(
    { CompleteOwnHooks = {
      actions   = ["autoscaling:CompleteLifecycleAction"]
      resources = ["arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/${var.name}-sensor"]
    } },
    { for c in var.collector[*] : "ReadEnrolmentToken" => { actions = ["secretsmanager:GetSecretValue"], resources = [c.secret_arn] } },
  )
}
