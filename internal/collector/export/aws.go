package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// awsClient sends signed requests (Signature Version 4) to one service, with the credentials that the AWS tools would find: the
// environment, the shared files, the instance's or container's role.
type awsClient struct {
	poster
	credentials aws.CredentialsProvider
	service     string
	region      string
}

func newAWS(c *Config, version, service string) (*awsClient, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.AWS.Region))
	if err != nil {
		return nil, err
	}
	p, err := newPoster(c, version)
	return &awsClient{poster: p, credentials: found.Credentials, service: service, region: c.AWS.Region}, err
}

func (a *awsClient) send(ctx context.Context, method, url, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Amz-Content-Sha256", digest)
	creds, err := a.credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS credentials: %w", err)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = a.service == "s3" })
	if err := signer.SignHTTP(ctx, creds, req, digest, a.service, a.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign for %s: %w", a.service, err)
	}
	return a.do(req)
}
