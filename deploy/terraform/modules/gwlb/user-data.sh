#!/bin/bash
# First boot of a sensor: the package's own script brings it up; the launch hook is completed by whether traffic would be inspected.
set -uo pipefail
result=CONTINUE
/usr/lib/weir/first-boot --mtu ${mtu}%{ if secret_arn != "" } --token-secret '${secret_arn}'%{ endif } <<'YAML' || result=ABANDON
${config}
YAML
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
instance=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
aws autoscaling complete-lifecycle-action --lifecycle-hook-name inspecting --auto-scaling-group-name '${group}' \
  --instance-id "$instance" --lifecycle-action-result "$result"
