# Traffic Mirroring from interfaces, by name or by tag, to sensors in mirror mode: everything but what the sensors themselves would send.

data "aws_network_interfaces" "tagged" {
  count = var.source_tag == null ? 0 : 1

  filter {
    name   = "tag:${var.source_tag.key}"
    values = [var.source_tag.value]
  }
  filter {
    name   = "status"
    values = ["in-use"]
  }
}

locals {
  tagged = var.source_tag == null ? {} : { for id in data.aws_network_interfaces.tagged[0].ids : id => id }
  # A sensor that carries the tag as well would mirror its own mirror.
  sources = { for name, id in merge(local.tagged, var.sources) : name => id if !contains(var.sensor_interface_ids, id) }
  names   = sort(keys(local.sources))
  # Sources take their turns, so that each sensor gets as many as the next.
  sensor = { for i, name in local.names : name => i % length(var.sensor_interface_ids) }
}

resource "aws_ec2_traffic_mirror_target" "this" {
  count                = length(var.sensor_interface_ids)
  description          = "${var.name}-${count.index}"
  network_interface_id = var.sensor_interface_ids[count.index]
}

resource "aws_ec2_traffic_mirror_filter" "this" {
  description      = var.name
  network_services = ["amazon-dns"] # else look-ups at the VPC's resolver are left out
}

resource "aws_ec2_traffic_mirror_filter_rule" "all" {
  for_each                 = { for pair in setproduct(["ingress", "egress"], [["ipv4", "0.0.0.0/0"], ["ipv6", "::/0"]]) : "${pair[0]}-${pair[1][0]}" => { direction = pair[0], cidr = pair[1][1], number = pair[1][0] == "ipv4" ? 100 : 200 } }
  traffic_mirror_filter_id = aws_ec2_traffic_mirror_filter.this.id
  traffic_direction        = each.value.direction
  rule_number              = each.value.number
  rule_action              = "accept"
  source_cidr_block        = each.value.cidr
  destination_cidr_block   = each.value.cidr
}

resource "aws_ec2_traffic_mirror_session" "this" {
  for_each                 = local.sources
  description              = "${var.name}-${each.key}"
  network_interface_id     = each.value
  session_number           = 1
  traffic_mirror_filter_id = aws_ec2_traffic_mirror_filter.this.id
  traffic_mirror_target_id = aws_ec2_traffic_mirror_target.this[local.sensor[each.key]].id
  virtual_network_id       = var.virtual_network_id + index(local.names, each.key)
  packet_length            = var.sensor_mtu - 54 # VXLAN over IPv4: what does not fit is cut off

  lifecycle {
    precondition {
      condition     = length(local.sources) <= var.sources_per_sensor * length(var.sensor_interface_ids)
      error_message = "${length(local.sources)} sources are more than AWS takes to ${length(var.sensor_interface_ids)} interfaces (${var.sources_per_sensor} each): add sensors, or mirror fewer."
    }
  }
}
