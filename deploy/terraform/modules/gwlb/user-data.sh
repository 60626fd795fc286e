#!/bin/bash
# First boot of a sensor: MTU and configuration before XDP is attached, then the launch hook, once traffic would be inspected.
set -euo pipefail
interface=$(ip -o route show default | awk '{print $5; exit}')
ip link set "$interface" mtu ${mtu}
cat >/etc/weir/sensor.yaml <<'YAML'
${config}
YAML
sed -i "s/\$INTERFACE/$interface/" /etc/weir/sensor.yaml
%{ if secret_arn != "" ~}
install -d -o weir -g weir -m 0700 /var/lib/weir
aws secretsmanager get-secret-value --secret-id '${secret_arn}' --query SecretString --output text |
  install -o weir -g weir -m 0400 /dev/stdin /var/lib/weir/sensor.creds
%{ endif ~}
sensor doctor --config /etc/weir/sensor.yaml || true
systemctl enable --now weir-sensor.service

token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
instance=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
result=ABANDON
for _ in $(seq 60); do
  if curl -sf -o /dev/null http://127.0.0.1:8080/healthz; then result=CONTINUE; break; fi
  sleep 2
done
aws autoscaling complete-lifecycle-action --lifecycle-hook-name inspecting --auto-scaling-group-name '${group}' \
  --instance-id "$instance" --lifecycle-action-result "$result"
