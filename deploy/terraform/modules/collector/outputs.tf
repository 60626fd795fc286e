output "url" {
  description = "For sensors' collector.url."
  value       = "tls://${aws_instance.this.private_ip}:4222"
}

output "security_group_id" {
  value = aws_security_group.this.id
}
