output "endpoint_service_name" {
  description = "For endpoints made elsewhere, such as in other accounts."
  value       = aws_vpc_endpoint_service.this.service_name
}

output "endpoint_ids" {
  description = "Endpoint by name, for route tables that are not managed here."
  value       = { for name, e in aws_vpc_endpoint.this : name => e.id }
}

output "sensor_security_group_id" {
  value = module.security_group.id
}

output "autoscaling_group_name" {
  value = aws_autoscaling_group.sensor.name
}
