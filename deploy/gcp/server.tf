resource "google_service_account" "server" {
  account_id   = "${var.name}-server"
  display_name = "Serves models; may read the bucket and write metrics"

  depends_on = [google_project_service.apis]
}

resource "google_storage_bucket_iam_member" "server_reads_models" {
  bucket = google_storage_bucket.models.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.server.member
}

resource "google_cloud_run_v2_service" "server" {
  name                = "${var.name}-server"
  location            = var.region
  ingress             = var.server_ingress == "internal" ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"
  deletion_protection = var.deletion_protection

  template {
    service_account                  = google_service_account.server.email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2" # The first cannot mount buckets.
    max_instance_request_concurrency = var.server.concurrency
    timeout                          = "60s"

    scaling {
      min_instance_count = var.server.min_instances
      max_instance_count = var.server.max_instances
    }

    containers {
      name  = "server"
      image = local.images["server"]
      args = [
        "serve", "--host", "0.0.0.0", "--rest-port", "8501", "--grpc-port", "0",
        "--model-base", local.model_path, "--poll-seconds", tostring(var.server.poll_seconds),
      ]

      ports {
        container_port = 8501
      }

      resources {
        limits = { cpu = tostring(var.server.cpus), memory = var.server.memory }
        # Between requests, too, it looks for a new model and has its metrics collected.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      # Ready only once a model serves: 5 s on two idle cores, most of it imports.
      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 60
        http_get {
          path = "/v2/health/ready"
          port = 8501
        }
      }

      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/v2/health/live"
          port = 8501
        }
      }

      dynamic "env" {
        for_each = google_secret_manager_secret.api_key
        content {
          name = "EMOTION_API_KEY"
          value_source {
            secret_key_ref {
              secret  = env.value.secret_id
              version = "latest"
            }
          }
        }
      }

      volume_mounts {
        name       = "bucket"
        mount_path = "/bucket"
      }
    }

    # Waits for the server, so that its first look finds metrics.
    dynamic "containers" {
      for_each = google_secret_manager_secret_version.collector
      content {
        name       = "collector"
        image      = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"
        depends_on = ["server"]

        resources {
          limits   = { cpu = "0.25", memory = "256Mi" }
          cpu_idle = false
        }

        volume_mounts {
          name       = "collector"
          mount_path = "/etc/rungmp"
        }
      }
    }

    volumes {
      name = "bucket"
      gcs {
        bucket        = google_storage_bucket.models.name
        read_only     = true
        mount_options = ["implicit-dirs"]
      }
    }

    dynamic "volumes" {
      for_each = google_secret_manager_secret_version.collector
      content {
        name = "collector"
        secret {
          secret = google_secret_manager_secret.collector[0].secret_id
          items {
            path    = "config.yaml"
            version = volumes.value.version
          }
        }
      }
    }
  }

  depends_on = [
    google_storage_bucket_iam_member.server_reads_models,
    google_secret_manager_secret_iam_member.server_reads_api_key,
    google_secret_manager_secret_iam_member.server_reads_collector,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "server_invokers" {
  for_each = merge(
    { app = google_service_account.app.member },
    { for member in var.server_invokers : member => member },
  )

  name     = google_cloud_run_v2_service.server.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}

# The key's value is put in by hand, and so is in no state: see docs/deploy.md.
resource "google_secret_manager_secret" "api_key" {
  count = var.api_key ? 1 : 0

  secret_id = "${var.name}-api-key"
  replication {
    auto {}
  }

  depends_on = [google_project_service.apis]
}

resource "google_secret_manager_secret_iam_member" "server_reads_api_key" {
  count = var.api_key ? 1 : 0

  secret_id = google_secret_manager_secret.api_key[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.server.member
}

# At a thousand requests a second their log would cost more than the service. Errors are kept.
resource "google_logging_project_exclusion" "answered_requests" {
  count = var.log_answered_requests ? 0 : 1

  name        = "${var.name}-answered-requests"
  description = "Requests to the server that were answered well"
  filter      = <<-EOT
    resource.type="cloud_run_revision"
    resource.labels.service_name="${google_cloud_run_v2_service.server.name}"
    (httpRequest.status<400 OR jsonPayload.status<400)
  EOT
}
