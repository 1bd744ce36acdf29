# Google's managed Prometheus: the collector beside the server reads its metrics every 30 s. A
# Prometheus of our own would need a machine that never sleeps, a disk, and a way to find instances.

locals {
  collector = {
    apiVersion = "monitoring.googleapis.com/v1beta"
    kind       = "RunMonitoring"
    metadata   = { name = "${var.name}-server" }
    spec = {
      endpoints = [{ port = 8501, path = "/monitoring/prometheus/metrics", interval = "30s" }]
      targetLabels = {
        metadata = ["service", "revision", "instance"]
      }
    }
  }

  of_server = "monitored_resource=\"cloud_run_revision\",service_name=\"${var.name}-server\""
  requests  = "run_googleapis_com:request_count{${local.of_server}"

  alerts = merge(
    {
      "answers with errors" = {
        query = <<-EOT
          sum(rate(${local.requests},response_code_class="5xx"}[5m]))
            / sum(rate(${local.requests}}[5m])) > 0.05
        EOT
        for   = "300s"
        what  = "More than one request in twenty was answered with an error of the server's (5xx) for 5 minutes. Look at its log; 503 with Retry-After means that it was overloaded: raise server.max_instances."
      }
      "answers slowly" = {
        query = <<-EOT
          histogram_quantile(0.99, sum by (le) (
            rate(run_googleapis_com:request_latencies_bucket{${local.of_server}}[5m])
          )) > 1000
        EOT
        for   = "600s"
        what  = "One request in a hundred took more than a second for 10 minutes. After a pause the first request waits for a start; otherwise raise server.max_instances or lower server.concurrency."
      }
    },
    var.managed_prometheus ? {
      "is often not sure" = {
        query = <<-EOT
          sum(rate(emotion_judged_texts_total{uncertain="true"}[1h]))
            / sum(rate(emotion_judged_texts_total[1h])) > 0.3
        EOT
        for   = "3600s"
        what  = "The model was not sure of more than three texts in ten for an hour: what people send may have changed. Look at the texts, and train anew."
      }
      "meets unknown words" = {
        query = <<-EOT
          sum(rate(emotion_sampled_words_total{known="false"}[1h]))
            / sum(rate(emotion_sampled_words_total[1h])) > 0.3
        EOT
        for   = "3600s"
        what  = "The model did not know three words in ten for an hour: the texts may be of another kind or language than those it was trained on."
      }
    } : {},
  )
}

resource "google_secret_manager_secret" "collector" {
  count = var.managed_prometheus ? 1 : 0

  secret_id = "${var.name}-collector"
  replication {
    auto {}
  }

  depends_on = [google_project_service.apis]
}

# No secret, but the way in which the collector takes its configuration.
resource "google_secret_manager_secret_version" "collector" {
  count = var.managed_prometheus ? 1 : 0

  secret      = google_secret_manager_secret.collector[0].id
  secret_data = yamlencode(local.collector)
}

resource "google_secret_manager_secret_iam_member" "server_reads_collector" {
  count = var.managed_prometheus ? 1 : 0

  secret_id = google_secret_manager_secret.collector[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.server.member
}

resource "google_project_iam_member" "server_writes_metrics" {
  for_each = var.managed_prometheus ? toset(["roles/monitoring.metricWriter", "roles/logging.logWriter"]) : toset([])

  project = var.project
  role    = each.value
  member  = google_service_account.server.member
}

resource "google_monitoring_notification_channel" "email" {
  count = var.alert_email == null ? 0 : 1

  display_name = "${var.name}: ${var.alert_email}"
  type         = "email"
  labels       = { email_address = var.alert_email }

  depends_on = [google_project_service.apis]
}

resource "google_monitoring_alert_policy" "server" {
  for_each = var.alert_email == null ? {} : local.alerts

  display_name          = "${var.name}: the server ${each.key}"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = google_monitoring_notification_channel.email[*].id

  conditions {
    display_name = each.key
    condition_prometheus_query_language {
      query               = trimspace(each.value.query)
      duration            = each.value.for
      evaluation_interval = "60s"
    }
  }

  documentation {
    content   = each.value.what
    mime_type = "text/markdown"
  }
}

resource "google_billing_budget" "this" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "${var.name}: ${var.project}"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }
  threshold_rules {
    threshold_percent = 1.0
  }
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  depends_on = [google_project_service.apis]
}
