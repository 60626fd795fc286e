package export

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"
)

// What is sent is what AWS's own SDK, made from the service's model, sends for the same findings: it knows every name and type, and misses
// nothing that is required.
func TestFindingsAreTheSDKs(t *testing.T) {
	awsKeys(t)
	var sent [][]byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent = append(sent, body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"FailedCount":0,"SuccessCount":1,"FailedFindings":[]}`)
	}))
	defer srv.Close()
	ours, err := openHub(checked(t, Config{Type: TypeSecurityHub, Events: Kinds(), AWS: AWS{Region: "eu-central-1", Account: "123456789012", Endpoint: srv.URL}}), "1", noLog)
	if err != nil {
		t.Fatal(err)
	}
	theirs := securityhub.New(securityhub.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(srv.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
	for name, e := range map[string]Event{
		"alert": alertEvent(t, 1, "203.0.113.9", "allowed"), "IPv6": alertEvent(t, 2, "2001:db8::1", "blocked"), "open incident": incidentEvent("open"), "closed incident": incidentEvent("closed"),
	} {
		sent = nil
		if err := ours.Send(context.Background(), []Event{e}); err != nil || len(sent) != 1 {
			t.Fatalf("%s: %v, %d requests", name, err, len(sent))
		}
		var request struct{ Findings []types.AwsSecurityFinding }
		strict := json.NewDecoder(bytes.NewReader(sent[0]))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&request); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := theirs.BatchImportFindings(context.Background(), &securityhub.BatchImportFindingsInput{Findings: request.Findings}); err != nil {
			t.Errorf("%s: %v", name, err) // what is required and missing
			continue
		}
		var want, got any
		if json.Unmarshal(sent[0], &got) != nil || json.Unmarshal(sent[1], &want) != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: sent  %s\nSDK's: %s", name, sent[0], sent[1])
		}
	}
}
