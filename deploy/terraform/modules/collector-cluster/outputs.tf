output "url" {
  description = "For sensors' collector.url: all servers."
  value       = join(",", [for n in var.nodes : "tls://${n.address}:4222"])
}

output "security_group_id" {
  value = module.security_group.id
}
