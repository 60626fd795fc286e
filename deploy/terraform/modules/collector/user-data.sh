#!/bin/bash
# First boot of the collector: its volume (made a file system only when it is new), certificates, configuration.
set -euo pipefail
device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${volume}
for _ in $(seq 120); do [ -e "$device" ] && break; sleep 1; done
blkid "$device" >/dev/null || mkfs.ext4 -q "$device"
install -d -m 0700 /var/lib/private/weir-collector
echo "$device /var/lib/private/weir-collector ext4 defaults,noatime,nofail 0 2" >>/etc/fstab
mount /var/lib/private/weir-collector

install -d -m 0755 /etc/weir/tls
secret=$(aws secretsmanager get-secret-value --secret-id '${secret_arn}' --query SecretString --output text)
umask 077
for part in certificate key client-ca; do
  jq -er --arg part "$part" '.[$part]' <<<"$secret" >"/etc/weir/tls/$part.pem"
done
cat >/etc/weir/collector.yaml <<'YAML'
data: /var/lib/weir-collector
api:
  listen: 0.0.0.0:8443
  tls: {certificate: /run/credentials/weir-collector.service/certificate, key: /run/credentials/weir-collector.service/key, client-ca: /run/credentials/weir-collector.service/client-ca}
bus:
  listen: 0.0.0.0:4222 # under the collector's own CA, which enrolment tokens name
YAML
chmod 0644 /etc/weir/collector.yaml
# The service runs under a user of its own; systemd hands it root's files.
install -d -m 0755 /etc/systemd/system/weir-collector.service.d
cat >/etc/systemd/system/weir-collector.service.d/tls.conf <<'UNIT'
[Service]
LoadCredential=certificate:/etc/weir/tls/certificate.pem
LoadCredential=key:/etc/weir/tls/key.pem
LoadCredential=client-ca:/etc/weir/tls/client-ca.pem
UNIT
chmod 0644 /etc/systemd/system/weir-collector.service.d/tls.conf
systemctl daemon-reload
systemctl enable --now weir-collector.service
