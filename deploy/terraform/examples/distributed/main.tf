# Distributed inspection: sensors and load balancer in a security VPC, and in each application VPC an endpoint that the internet gateway's
# and the subnets' routes lead through. No transit gateway, and each VPC keeps its own way out.

variable "security_vpc" {
  type = object({ vpc_id = string, gwlb_subnet_ids = list(string), gwlb_cidrs = list(string), sensor_subnet_ids = list(string) })
}
variable "applications" {
  description = "By VPC and zone: the subnet of the endpoint, the route table of the application's subnet, the edge route table of the internet gateway, and the subnet's CIDR."
  type        = map(object({ vpc_id = string, endpoint_subnet_id = string, route_table_id = string, edge_route_table_id = string, cidr = string }))
}
variable "ami_id" { type = string }
variable "collector" {
  description = "From the collector module, with the secret that holds an enrolment token."
  type        = object({ url = string, security_group_id = string, secret_arn = string })
  default     = null
}

module "gwlb" {
  source            = "../../modules/gwlb"
  vpc_id            = var.security_vpc.vpc_id
  gwlb_subnet_ids   = var.security_vpc.gwlb_subnet_ids
  gwlb_cidrs        = var.security_vpc.gwlb_cidrs
  sensor_subnet_ids = var.security_vpc.sensor_subnet_ids
  ami_id            = var.ami_id
  collector         = var.collector
  endpoints         = { for name, a in var.applications : name => { vpc_id = a.vpc_id, subnet_id = a.endpoint_subnet_id } }
  routes = merge(
    { for name, a in var.applications : "${name}-out" => { route_table_id = a.route_table_id, destination = "0.0.0.0/0", endpoint = name } },
    # What comes in from the internet gateway for the application turns off to the endpoint of the same zone: both directions meet one sensor.
    { for name, a in var.applications : "${name}-in" => { route_table_id = a.edge_route_table_id, destination = a.cidr, endpoint = name } },
  )
}
