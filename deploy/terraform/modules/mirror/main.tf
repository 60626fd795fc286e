# Traffic Mirroring from interfaces to one sensor, everything but what the sensor itself would send.

resource "aws_ec2_traffic_mirror_target" "this" {
  description          = var.name
  network_interface_id = var.sensor_interface_id
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

locals {
  names = sort(keys(var.sources))
}

resource "aws_ec2_traffic_mirror_session" "this" {
  for_each                 = var.sources
  description              = "${var.name}-${each.key}"
  network_interface_id     = each.value
  session_number           = 1
  traffic_mirror_filter_id = aws_ec2_traffic_mirror_filter.this.id
  traffic_mirror_target_id = aws_ec2_traffic_mirror_target.this.id
  virtual_network_id       = var.virtual_network_id + index(local.names, each.key)
  packet_length            = var.sensor_mtu - 54 # VXLAN over IPv4: what does not fit is cut off
}
