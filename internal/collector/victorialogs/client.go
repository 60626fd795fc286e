package victorialogs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxFault is how much is read of an answer that says what went wrong, in bytes.
const maxFault = 4 << 10

// call posts body and returns the answer, which the caller closes; without a body of its own it is read to its end.
func (s *Store) post(ctx context.Context, path string, body io.Reader, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.opt.URL, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("victorialogs: %w", err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	req.Header.Set("AccountID", strconv.FormatUint(uint64(s.opt.Account), 10))
	req.Header.Set("ProjectID", strconv.FormatUint(uint64(s.opt.Project), 10))
	if s.opt.Authorization != nil {
		secret, err := s.opt.Authorization()
		if err != nil {
			return nil, fmt.Errorf("victorialogs: %w", err)
		}
		if secret != "" {
			req.Header.Set("Authorization", secret)
		}
	}
	resp, err := s.opt.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("victorialogs: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	fault, _ := io.ReadAll(io.LimitReader(resp.Body, maxFault))
	return nil, fmt.Errorf("victorialogs: %s answered %s: %.300s", path, resp.Status, bytes.TrimSpace(fault))
}

// call posts where the answer is of no interest but for its beginning.
func (s *Store) call(ctx context.Context, path string, body io.Reader, header map[string]string) ([]byte, error) {
	resp, err := s.post(ctx, path, body, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxFault))
}

// maxRow bounds one row of an answer: an alert, with its EVE record twice escaped.
const maxRow = 2 << 20

// query hands over the rows that filters choose and pipes make of them. Filters go beside the query, whose own length the server
// bounds.
func (s *Store) query(ctx context.Context, filters []string, pipes string, row func(map[string]string) error) error {
	form := url.Values{"query": {`{weir="alert"} | ` + pipes}, "extra_filters": {strings.Join(filters, " ")}}
	resp, err := s.post(ctx, "/select/logsql/query", strings.NewReader(form.Encode()), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxRow)
	for lines.Scan() {
		fields := map[string]string{}
		if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
			return fmt.Errorf("%w: %w", errAnswer, err)
		}
		if err := row(fields); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return errors.Join(errAnswer, err)
	}
	return nil
}
