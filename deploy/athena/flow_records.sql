-- Flow records of sensors in S3, as Athena reads them. Replace BUCKET and ACCOUNT; partitions are projected, nothing crawls.
CREATE EXTERNAL TABLE IF NOT EXISTS weir_flow_records (
  `version` int,
  `account_id` string,
  `interface_id` string,
  `srcaddr` string,
  `dstaddr` string,
  `srcport` int,
  `dstport` int,
  `protocol` int,
  `packets` bigint,
  `bytes` bigint,
  `start` bigint,
  `end` bigint,
  `action` string,
  `log_status` string,
  `tcp_flags` int,
  `type` string,
  `pkt_srcaddr` string,
  `pkt_dstaddr` string,
  `flow_direction` string,
  `weir_tenant` string,
  `weir_app` string,
  `weir_unlogged` string
)
PARTITIONED BY (`region` string, `day` string)
ROW FORMAT DELIMITED FIELDS TERMINATED BY ' '
LOCATION 's3://BUCKET/AWSLogs/ACCOUNT/vpcflowlogs/'
TBLPROPERTIES (
  'skip.header.line.count' = '1',
  'projection.enabled' = 'true',
  'projection.region.type' = 'injected',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy/MM/dd',
  'projection.day.range' = '2025/01/01,NOW',
  'storage.location.template' = 's3://BUCKET/AWSLogs/ACCOUNT/vpcflowlogs/${region}/${day}'
);

-- What AWS's own Flow Logs would not have shown:
-- SELECT srcaddr, weir_unlogged, sum(packets) FROM weir_flow_records
-- WHERE region = 'eu-west-1' AND day = '2025/06/01' AND weir_unlogged <> '-' GROUP BY 1, 2 ORDER BY 3 DESC;
