#!/bin/bash
# First boot of a node: its volume (made a file system only when it is new), a NATS server, and on some nodes a collector.
set -euo pipefail
device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${volume}
for _ in $(seq 120); do [ -e "$device" ] && break; sleep 1; done
blkid "$device" >/dev/null || mkfs.ext4 -q "$device"
install -d -m 0711 /var/lib/weir-node
echo "$device /var/lib/weir-node ext4 defaults,noatime,nofail 0 2" >>/etc/fstab
mount /var/lib/weir-node
umask 077

# unpack SECRET FOLDER: every member of the secret's JSON object becomes a file
unpack() {
  local all name
  all=$(aws secretsmanager get-secret-value --secret-id "$1" --query SecretString --output text)
  install -d -m 0700 "$2"
  for name in $(jq -r 'keys[]' <<<"$all"); do jq -erj --arg name "$name" '.[$name]' <<<"$all" >"$2/$name"; done
}

unpack '${node_secret}' /etc/weir/nats
install -d -m 0700 /var/lib/weir-node/nats
ln -sfn /var/lib/weir-node/nats /var/lib/nats # the store_dir of nats-server.conf
cat >/etc/systemd/system/weir-nats.service <<'UNIT'
[Unit]
Description=NATS server of Weir's bus
After=network-online.target
Wants=network-online.target
RequiresMountsFor=/var/lib/weir-node

[Service]
ExecStart=/usr/bin/nats-server -c nats-server.conf
WorkingDirectory=/etc/weir/nats
Restart=always
LimitNOFILE=65536
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=/var/lib/weir-node/nats
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now weir-nats.service
%{ if collector == "true" ~}

unpack '${collector_secret}' /etc/weir/keys
unpack '${tls_secret}' /etc/weir/keys
%{ if postgres != "" ~}
aws secretsmanager get-secret-value --secret-id '${postgres_secret}' --query SecretString --output text >/etc/weir/keys/postgres
%{ endif ~}
data=/var/lib/weir-node/collector
if [ ! -e "$data" ]; then
  # All collectors are one identity: this one begins as the others did.
  backup=$(mktemp)
  aws s3 cp --only-show-errors '${identity}' "$backup"
  collector restore --in "$backup" --data "$data"
  rm "$backup"
fi
install -d -m 0700 /var/lib/private
ln -sfn "$data" /var/lib/private/weir-collector
credentials=/run/credentials/weir-collector.service
cat >/etc/weir/collector.yaml <<YAML
data: /var/lib/weir-collector
api:
  listen: 0.0.0.0:8443
  tls: {certificate: $credentials/certificate, key: $credentials/key, client-ca: $credentials/client-ca}
bus:
  cluster:
    urls: ${urls}
    key: $credentials/collector.nk
    issuer: $credentials/issuer.nk
    account: WEIR
    replicas: 3
    tls: {ca: $credentials/ca.crt}
    name: ${node}
    advertise: ${console}
%{ if postgres != "" ~}
state:
  postgres: "${postgres}"
  password: {file: $credentials/postgres}
%{ endif ~}
YAML
chmod 0644 /etc/weir/collector.yaml
# The service runs under a user of its own; systemd hands it root's files.
install -d -m 0755 /etc/systemd/system/weir-collector.service.d
{
  echo '[Service]'
  echo "BindPaths=$data"
  for file in /etc/weir/keys/*; do echo "LoadCredential=$(basename "$file"):$file"; done
} >/etc/systemd/system/weir-collector.service.d/cluster.conf
chmod 0644 /etc/systemd/system/weir-collector.service.d/cluster.conf
systemctl daemon-reload
systemctl enable --now weir-collector.service
%{ endif ~}
