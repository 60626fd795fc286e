# Passive detection: interfaces tagged Mirror=yes are copied to sensors that exist, in mirror mode. Verdicts of theirs are carried out by
# the sensors of the fleet that can drop.

variable "sensor_interface_ids" { type = list(string) }

module "mirror" {
  source               = "../../modules/mirror"
  sensor_interface_ids = var.sensor_interface_ids
  source_tag           = { key = "Mirror", value = "yes" }
}
