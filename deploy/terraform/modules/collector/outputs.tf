output "url" {
  description = "For sensors' collector.url."
  value       = "tls://${module.host.instance.private_ip}:4222"
}

output "security_group_id" {
  value = module.security_group.id
}
