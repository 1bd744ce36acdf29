resource "google_service_account" "app" {
  account_id   = "${var.name}-app"
  display_name = "Web app; may ask the server"

  depends_on = [google_project_service.apis]
}

resource "google_cloud_run_v2_service" "app" {
  name                = "${var.name}-app"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  iap_enabled         = var.app_access == "iap"
  deletion_protection = var.deletion_protection

  template {
    service_account       = google_service_account.app.email
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
    # A browser holds one connection open for as long as its tab is.
    timeout                          = "3600s"
    max_instance_request_concurrency = 100
    # What a tab has uploaded lies on the instance that it talks to.
    session_affinity = true

    scaling {
      min_instance_count = 0
      max_instance_count = var.app_max_instances
    }

    # Everything goes through the project's network, where the server's address leads to Google.
    vpc_access {
      egress = "ALL_TRAFFIC"
      network_interfaces {
        network    = google_compute_network.this.id
        subnetwork = google_compute_subnetwork.this.id
      }
    }

    containers {
      name  = "app"
      image = local.images["app"]
      args  = ["app", "--host", "0.0.0.0", "--port", "8502"]

      ports {
        container_port = 8502
      }

      resources {
        limits = { cpu = "1", memory = "2Gi" }
        # Files are answered in the background, while the browser waits without a request.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 60
        http_get {
          path = "/_stcore/health"
          port = 8502
        }
      }

      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/_stcore/health"
          port = 8502
        }
      }

      env {
        name  = "EMOTION_SERVER"
        value = google_cloud_run_v2_service.server.uri
      }
      env {
        name  = "EMOTION_GOOGLE_IDENTITY"
        value = "true"
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
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.app_reads_api_key]
}

resource "google_secret_manager_secret_iam_member" "app_reads_api_key" {
  count = var.api_key ? 1 : 0

  secret_id = google_secret_manager_secret.api_key[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.app.member
}

# With IAP in front, it is IAP that asks the app, and those in app_users that IAP lets through.
resource "google_cloud_run_v2_service_iam_member" "app_invokers" {
  for_each = {
    iam    = { for member in var.app_users : member => member }
    iap    = { iap = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-iap.iam.gserviceaccount.com" }
    public = { everyone = "allUsers" }
  }[var.app_access]

  name     = google_cloud_run_v2_service.app.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}

resource "google_iap_web_cloud_run_service_iam_member" "app_users" {
  for_each = var.app_access == "iap" ? var.app_users : toset([])

  cloud_run_service_name = google_cloud_run_v2_service.app.name
  location               = var.region
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value
}
