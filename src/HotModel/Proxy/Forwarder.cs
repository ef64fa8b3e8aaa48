using HotModel.Http;
using HotModel.Llama;

namespace HotModel.Proxy;

/// <summary>The way to the upstream: sends a request and returns when the head of the answer is there.</summary>
internal sealed class Forwarder(TimeProvider time, Poller? poller = null) : IDisposable
{
    private readonly Lock gate = new();
    // One at a time: where the address changes, nothing is loaded at the old one any more.
    private HttpEndpoint? endpoint;

    /// <summary>POSTs a JSON body. Expected failures, cancellation through the scope included, are values.</summary>
    /// <param name="upstream">Where to.</param>
    /// <param name="path">Relative to the upstream's base address, such as v1/chat/completions.</param>
    /// <param name="body">What.</param>
    /// <param name="accept">The client's Accept header, or null.</param>
    /// <param name="scope">Ends the request.</param>
    public async Task<ForwardResult> PostAsync(
        Upstream upstream, string path, RequestSplice body, string? accept, RequestScope scope)
    {
        // Nothing else of the client's goes on: with X-Conversation-Id llama-server would no longer notice that the
        // client left, and Authorization is the client's key for us.
        var request = new OutgoingRequest(HttpMethods.Post, path)
        {
            ApiKey = upstream.ApiKey,
            Accept = accept,
            JsonBody = body.Pieces,
        };
        try
        {
            return new(await EndpointAt(upstream.BaseAddress).SendAsync(request, scope.Token), null);
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return new(null, ForwardError.Of(scope, ForwardStage.ResponseHead) ?? Explain(e, upstream));
        }
    }

    public void Dispose() => endpoint?.Dispose();

    private static ForwardError Explain(Exception e, Upstream upstream) => e is HttpFailure { Stage: HttpStage.Connect }
        ? new(ForwardStage.Connect, Culprit.Upstream,
            $"The model's server at {upstream.BaseAddress.Authority} cannot be reached.")
        : new(ForwardStage.ResponseHead, Culprit.Upstream, "The model's server ended the connection without an answer.");

    private HttpEndpoint EndpointAt(Uri address)
    {
        lock (gate)
        {
            if (endpoint?.Address == address)
                return endpoint;
            endpoint?.Dispose();
            return endpoint = new(address, time, poller);
        }
    }
}
